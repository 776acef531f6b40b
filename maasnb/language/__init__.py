"""What a person reads, in the language that `MAASNB_LANG` names."""
