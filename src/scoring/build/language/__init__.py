"""What an analyst may ask of history rows, one module per theme.

Each method here declares what the function of the same name in `build/operators` computes.
"""
