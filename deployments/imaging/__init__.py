"""Turn pixels into pixels: each module does one thing to pictures, without models, requests or Ray."""
