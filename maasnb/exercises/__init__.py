"""The exercises of the tutorials: what is asked, and how an answer is checked."""
