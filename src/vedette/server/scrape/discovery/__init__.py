"""Where targets come from: files, HTTP, DNS, Kubernetes."""
