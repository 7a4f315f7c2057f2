"""What Slack delivers, one module per surface: each listener acknowledges, calls one function of the service, and answers.

    command.py   /migrate
    request.py   the modal: reshaping, options, submission
    buttons.py   under a migration's messages
    glass.py     the dialog that asks why a migration is started without the approvals
    home.py      the Home tab, and the freeze's buttons
    details.py   View Details

No listener decides anything or keeps state. All are given what they need by `Desk`.
"""
