"""Picture files from elsewhere: taken apart, so that nothing they say of themselves spoils their pixels."""
