"""Which source address does an application see behind a Kubernetes Service, and who changed it?"""
