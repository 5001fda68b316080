"""Write one HTML file a run: plots drawn here as SVG, nothing fetched from anywhere, no script."""
