"""The lab's eBPF dataplane: a reference for what Calico's does with Services, not Calico.

``contents`` says purely what the maps must hold, ``layouts`` how C and Python see them, ``loading`` and
``attaching`` put the programs of ``src`` (compiled in ``objects``) into the kernel, ``dataplane`` keeps all of it
true, and ``dumping`` prints it as ``calico-node -bpf … dump`` would.
"""
