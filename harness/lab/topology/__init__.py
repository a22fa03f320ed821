"""What the lab is made of in the kernel: namespaces, links, cgroups, mounts."""
