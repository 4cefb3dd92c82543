"""Short films of people who do not exist, and the programs that draw them."""
