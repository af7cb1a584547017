"""Every query and action of a course, with its permission check.

Each function returns the body of `--format json`, plain values with RFC 3339 times in the course's zone, or raises
UserError. Scores and intervals are cut by `harness.shown`, unless staff ask for exact ones.
`home` is a `harness.home.Home`, `viewer` the one who asks, `now` the current time.

Permissions. Nobody (not logged in): homeworks, sheets, and boards without the names of people. Students and
auditors: also files, names on boards, and their own submissions; those of others are E_NOT_FOUND, like missing ones.
Staff (TAs and instructors) with a token of scope "all": all submissions, and the private board before its reveal,
where each access is logged. A token of scope "read" changes nothing; "submit" can submit and select.
"""
