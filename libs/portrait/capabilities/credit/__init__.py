"""Credit: will the applicant repay, and why we think so."""
