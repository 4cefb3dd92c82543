"""Films and pictures in and out; the only room that imports PyAV."""
