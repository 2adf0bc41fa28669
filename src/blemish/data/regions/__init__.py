"""Where in a picture the defect is: as a person draws it, and in the files of other programs."""
