"""The changes, oldest first; a script that was released is never edited."""
