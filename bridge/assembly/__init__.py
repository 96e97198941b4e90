"""Parts of the composition root, a file for each subject: what ``app`` would hold if it had the room."""
