"""What is compared: the same models on the same data, trained by maasnb, by hand and by peers."""
