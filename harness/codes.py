"""The error codes of the command line, the client and the server: the meaning of each, and the remedy."""

CODES: dict[str, str] = {
    "E_ANSWERS_CHANGED": "The hidden answers were changed or damaged. Restore the home's secret folder from a backup.",
    "E_ASK": "A question needs an answer, but there is no terminal. Add --yes if you are sure.",
    "E_ATTACHMENT_NONE": "The homework asks for no second file. See its rules, or ask the course staff.",
    "E_AUDIT": "Records do not agree with each other or with the files. Each is named; restore it from a backup.",
    "E_CANVAS": "The file is not Canvas's export of this class. The message says what to change; nothing was written.",
    "E_CERTIFICATE": (
        "The server's certificate is not valid or not trusted. If the course has its own: lhy-grade login URL --ca FILE"
    ),
    "E_COURSE": "The server cannot use its course folder. The server's log says why; run `lhy-grade doctor` there.",
    "E_CSRF": "A form did not come from a page of this server. Load the page again.",
    "E_DEMO": "A step of `demo` did not end as expected. Run it with --debug and report what it prints.",
    "E_DOCTOR": "Something keeps the grader from working. The rows marked bad say what.",
    "E_SIDES": (
        "A change of the data would move rows between the public and the private board. Leave the split, or begin an "
        "empty board."
    ),
    "E_EXISTS": "Something with this name already exists. The message says how to keep it, or how to replace the data.",
    "E_INPUT": "What was entered is not as expected, and nothing was changed. The message says what to correct.",
    "E_INSECURE": "The connection would not be encrypted, so the token could be read on the way. Use https.",
    "E_INTERRUPTED": "The command was stopped with Ctrl-C. Run it again; nothing is counted twice.",
    "E_JUDGE_VERSION": (
        "The competition was prepared with other versions of packages that change its scores. Install the versions "
        "that the message names."
    ),
    "E_KEY": "The secret key and the course do not belong together. Restore both from the same backup.",
    "E_LABEL": "This label is reserved. Choose another.",
    "E_LEAK": "The data reveal answers. Each leak is named; fix the data, or accept the leaks with --accept-leaks.",
    "E_LENGTH": "A request came without its length. Send Content-Length, and the body in one piece.",
    "E_LOGIN": "You are not logged in, or the token is mistyped, expired or revoked. Log in: lhy-grade login URL",
    "E_MAIL": "No mail can be sent: no mail server is set, or it failed. The message says which, and what was sent.",
    "E_MANIFEST": "A downloaded file, or its name, is not as expected. Run the same command again.",
    "E_METHOD": "The address does not support this method. See /api/v1/openapi.json.",
    "E_METRIC_VERSION": (
        "This lhy-grade scores differently from the version that graded the board. Nothing is graded; install that "
        "version, or make new data."
    ),
    "E_NOT_ALLOWED": "Only course staff may see this. Nothing to do.",
    "E_NOT_FOUND": "There is no such homework in this version, submission, token or page. Check the spelling.",
    "E_NOT_REVEALED": "The private board has not been revealed. Wait for the end of the competition.",
    "E_NOT_REPRODUCED": (
        "The model gives other rows than the file that it was handed in for. Hand in the model that made the file, "
        "with the resizing that the sheet states; nothing was recorded."
    ),
    "E_NOT_VERIFIABLE": (
        "Nothing can be verified of this submission: its edition asks for no model, its data were replaced, or it has "
        "no score. The message says which."
    ),
    "E_ONE_BOARD": "This edition has one board, so there is nothing to reveal. To end it, set a deadline.",
    "E_NO_BOARD": "A quiz has no board. Its points open after the deadline: lhy-grade submissions NAME",
    "E_NO_ANSWERS": "The answers or the key are not in this home. Prepare the homework here, or restore a backup.",
    "E_RATE": "Too many requests in a short time. Wait as long as the message says.",
    "E_REDIRECT": "The server redirects to another address; the token is not sent there. Log in to that address.",
    "E_SCOPE": "This token is not allowed to do that. Use a token with more rights.",
    "E_SERVER": "The address responds, but not as an lhy-grade server. Check the address.",
    "E_SHOW": (
        "These data cannot be drawn, or a package for drawing is missing. Name a folder with the complete data of a "
        "homework; install what the message names."
    ),
    "E_SLOW": "An upload did not arrive in time. Nothing was recorded; run the same command again.",
    "E_STAFF": (
        "The command is for course staff, on the machine of the course. For your own course, name its folder: "
        "lhy-grade --home DIR …"
    ),
    "E_STALE_DATA": "Your data are older than the course's. Get the new ones and predict again.",
    "E_TOKEN": "The token is incomplete: it must be lhy_ and 43 characters. Copy all of it.",
    "E_TOKENS": "You have reached the limit of valid tokens, or of new ones in a day. Revoke one, or make one later.",
    "E_TOO_LARGE": "An upload is larger than this competition accepts. Check that it is the submission.",
}
