"""Learning: arrays in, arrays out; it knows neither Django nor the desk."""
