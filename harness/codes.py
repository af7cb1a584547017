"""The error codes of the command line, the client and the server: what each means and what to do."""

CODES: dict[str, str] = {
    "E_ANSWERS_CHANGED": "Hidden answers are not what was written. Restore the home's secret folder from a backup.",
    "E_ASK": "A question has to be answered and there is no terminal to ask at. Add --yes if you are sure.",
    "E_AUDIT": "Records do not agree with each other or with the files. Each is named; restore it from a backup.",
    "E_CERTIFICATE": (
        "The server's certificate is not valid or not known. If the course has its own: lhy-grade login URL --ca FILE"
    ),
    "E_COURSE": "The course folder of the server is not in order. The server's log says why; run `lhy-grade doctor`.",
    "E_CSRF": "A form did not come from a page of this server. Load the page again.",
    "E_DEMO": "A step of `demo` did not end as it should. Run it with --debug and report what it prints.",
    "E_DOCTOR": "Something keeps the grader from working. The rows marked bad say what.",
    "E_EXISTS": "Something with this name is there already. The message says how to keep it, or to make other data.",
    "E_INSECURE": "The address is not encrypted, so that the token could be read on the way. Use https.",
    "E_INTERRUPTED": "The command was stopped with Ctrl-C. Run it again; nothing is counted twice.",
    "E_JUDGE_VERSION": (
        "The competition was prepared with other versions of packages that change its scores. Install the versions "
        "that the message names."
    ),
    "E_KEY": "The secret key and the course do not belong together. Restore both from the same backup.",
    "E_LABEL": "This label is reserved. Choose another.",
    "E_LEAK": "Prepared data give answers away. Each leak is named; mend the data, or accept them with --accept-leaks.",
    "E_LENGTH": "A request came without its length. Send Content-Length, and the body in one piece.",
    "E_LOGIN": "You are not logged in, or the token is mistyped, expired or revoked. Log in: lhy-grade login URL",
    "E_MANIFEST": "A downloaded file, or its name, is not what it should be. Run the same command again.",
    "E_METHOD": "The address does not take this kind of request. See /api/v1/openapi.json.",
    "E_METRIC_VERSION": (
        "This lhy-grade scores in another way than the board was graded. Nothing is graded; install the version that "
        "graded it, or make new data."
    ),
    "E_NOT_ALLOWED": "Only the course staff may see this. Nothing to do.",
    "E_NOT_FOUND": "There is no such homework in this version, submission, token or page. Check the spelling.",
    "E_NOT_REVEALED": "The private board has not been revealed. Wait for the end of the competition.",
    "E_ONE_BOARD": "This edition has one board, so that there is nothing to reveal. To end it, set a deadline.",
    "E_NO_ANSWERS": "The answers or the key are not in this home. Prepare the homework here, or restore a backup.",
    "E_RATE": "Too many requests in a short time. Wait as long as the message says.",
    "E_REDIRECT": "The server sends on to another address, and the token is not sent there. Log in to that address.",
    "E_SCOPE": "This token may not do that. Use a token with more rights.",
    "E_SERVER": "The address answers, but not like a server of lhy-grade. Check the address.",
    "E_SHOW": (
        "There is no picture of these data, or what draws it is missing. Name a folder with the whole data of a "
        "homework; install what the message names."
    ),
    "E_SLOW": "An upload did not arrive in time. Nothing was recorded; run the same command again.",
    "E_STAFF": (
        "The command is for the course staff, on the machine that holds the course. For a course of your own, name its "
        "folder: lhy-grade --home DIR …"
    ),
    "E_STALE_DATA": "Your data are older than the course's. Get the new ones and predict again.",
    "E_TOKEN": "The token is not complete: it is lhy_ and 43 characters. Copy it whole.",
    "E_TOKENS": "You have as many tokens as one person may have. Revoke one first.",
    "E_TOO_LARGE": "An upload is larger than this competition accepts. Check that it is the submission.",
}
