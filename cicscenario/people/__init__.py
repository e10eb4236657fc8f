"""Who the people are: names, phone numbers, PINs and pointers, all made from a seed."""
