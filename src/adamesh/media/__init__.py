"""Sound and pictures in and out of files, all by PyAV."""
