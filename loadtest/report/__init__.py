"""Write one HTML file per run: plots are inline SVG, nothing is fetched, and there is no script."""
