"""Pure trading rules: standard library and NumPy only; every clock reading is an argument."""
