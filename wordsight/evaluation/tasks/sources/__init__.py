"""Layouts of labelled images: one file each, registered in ``TASKS``."""
