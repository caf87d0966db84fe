"""Dates and times as the panel writes them: 24 hours, seconds always."""

DATE_FORMAT = "D j M Y"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = "D j M Y H:i:s"
SHORT_DATE_FORMAT = "j M Y"
SHORT_DATETIME_FORMAT = "j M Y H:i:s"
YEAR_MONTH_FORMAT = "F Y"
MONTH_DAY_FORMAT = "j F"
