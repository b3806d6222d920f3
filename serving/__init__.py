"""The service: a detector behind HTTP, and the page that a person sees."""
