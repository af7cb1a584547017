"""The error codes of the leaderboard: meaning and remedy."""

CODES: dict[str, str] = {
    "E_ATTACHMENT_LATE": (
        "The deadline of the homework's second file has passed. The latest one that arrived in time counts; ask the "
        "course staff for an extension."
    ),
    "E_ATTACHMENT_QUOTA": (
        "Too many versions of a second file were handed in. Hand in the final one tomorrow, or ask the course staff."
    ),
    "E_BUSY": "Another process locked the database for too long. Run the same command again; nothing is counted twice.",
    "E_CHANGED": "Somebody else changed the same thing meanwhile. Look at what is there now, and enter it again.",
    "E_CLIENT_KEY": "A retry sent different bytes than the first try. Send the same file, or start a new submission.",
    "E_CLOSED": (
        "The competition is over, or its board was revealed. The message says what is no longer possible; a late file "
        "is scored for practice."
    ),
    "E_CONFLICT": "Two processes finished the same submission. Nothing to do: the first result is kept.",
    "E_DATABASE": (
        "The database is damaged, belongs to another program, or is not encoded in UTF8. Restore it from a backup, or "
        "correct `database` in config.toml."
    ),
    "E_DATABASE_NEWER": "The database was written by a newer lhy-grade. Upgrade this one.",
    "E_DATABASE_URL": "`database` in config.toml is not a valid URL. Use postgresql://USER@HOST/NAME.",
    "E_DISABLED": "This person was taken off the roster. Ask the course staff.",
    "E_DISK": "The disk failed, or a folder is not writable. Check the disk and its permissions, then try again.",
    "E_DISK_FULL": "The disk is full. Free some space and run the same command again; nothing is counted twice.",
    "E_DISQUALIFIED": (
        "The course staff took this submission out of the count. Its page shows the reason; ask the staff if it is "
        "wrong."
    ),
    "E_EXTRA_MISSING": "An optional package is missing. Install the extra that the message names.",
    "E_GRADER": (
        "Grading the file failed: it crashed or exceeded its limits twice, or its worker was lost ten times. Students "
        "need not do anything; an instructor runs `lhy-grade grade --pending`."
    ),
    "E_LAST_INSTRUCTOR": (
        "The roster would be left without an instructor. Make somebody else an instructor first: import them with the "
        "role instructor."
    ),
    "E_MESSAGE": "The message of a submission is too long. Shorten it.",
    "E_NAME": "A name is empty, too long, not plain text, or taken. Choose another.",
    "E_NO_SUBMISSION": "There is no submission with that number, or it is not yours. See `lhy-grade submissions`.",
    "E_QUOTA": "All submissions of the day are used. The message says when the next slot opens.",
    "E_READ_ONLY": "The database or a file next to it is not writable. Check the owner and the permissions.",
    "E_REASON": "A reason is missing, too long, or not printable. Give one with --reason TEXT; it is kept in the log.",
    "E_RECEIPT": "The receipt is forged or was changed. Compare it with the output of `lhy-grade receipt`.",
    "E_REJECTIONS": "Too many invalid files were submitted in one day. Use `lhy-grade check`, which has no limit.",
    "E_ROSTER": "The roster does not allow it, or a roster file has mistakes. The message names each line and reason.",
    "E_SELECTION": "A selection has too many submissions, or one that is not yours or not valid. Choose others.",
    "E_UNREACHABLE": "The database or the server cannot be reached. Check the network and try again.",
}
