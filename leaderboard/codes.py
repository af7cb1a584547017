"""The error codes of the leaderboard: what each means and what to do."""

CODES: dict[str, str] = {
    "E_BUSY": "Another process kept the database for too long. Run the same command again; nothing is counted twice.",
    "E_CLIENT_KEY": "A retry came with other bytes than the first try. Send the same file, or start a new submission.",
    "E_CLOSED": (
        "The competition is over, or its board was revealed. What can no longer be done is named; a late file is "
        "scored as practice."
    ),
    "E_CONFLICT": "Two processes finished the same submission. Nothing to do: the first result stays.",
    "E_DATABASE": (
        "The database is damaged, of another program, or has another encoding than UTF8. Restore it from a backup, or "
        "correct `database` in config.toml."
    ),
    "E_DATABASE_NEWER": "The database was written by a newer lhy-grade. Upgrade this one.",
    "E_DATABASE_URL": "`database` in config.toml is not a URL that can be read. Use postgresql://USER@HOST/NAME.",
    "E_DISABLED": "This person was taken off the roster. Ask the course staff.",
    "E_DISK": "The disk failed, or a folder cannot be written. Check the disk and its permissions, then run it again.",
    "E_DISK_FULL": "The disk is full. Free some space and run the same command again; nothing is counted twice.",
    "E_EXTRA_MISSING": "An optional package is missing. Install the extra that the message names.",
    "E_GRADER": (
        "Grading the file failed: twice it died or ran out of its limits, or ten times its worker was lost. Nothing to "
        "do for the student; an instructor runs `lhy-grade grade --pending`."
    ),
    "E_MESSAGE": "The message of a submission is too long. Shorten it.",
    "E_NAME": "A name is empty, too long, not plain text, or somebody else's. Choose another.",
    "E_NO_SUBMISSION": "There is no submission of that number, or it is not yours. See `lhy-grade submissions`.",
    "E_QUOTA": "All submissions of the day are used. The message says when the next slot opens.",
    "E_READ_ONLY": "The database or a file beside it cannot be written. Check the owner and the permissions.",
    "E_REASON": "A reason is missing, too long, or not printable. Give one with --reason TEXT; it is kept in the log.",
    "E_RECEIPT": "The receipt is not genuine, or was changed. Compare it with the one that `lhy-grade receipt` prints.",
    "E_REJECTIONS": "Too many invalid files were sent on one day. Use `lhy-grade check`, which has no limit.",
    "E_ROSTER": "The roster does not allow it, or a roster file has mistakes. The message names each line and reason.",
    "E_SELECTION": "A selection has too many submissions, or one that is not yours or not valid. Choose others.",
    "E_UNREACHABLE": "The database or the server cannot be reached. Check the network and run it again.",
}
