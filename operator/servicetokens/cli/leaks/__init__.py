"""Finding tokens in any data: text, encodings of text, and archives. Pure: bytes in, a report out."""
