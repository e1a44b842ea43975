"""What rows are: targets, classes, blocks of rows in lanes, and the arithmetic on them."""
