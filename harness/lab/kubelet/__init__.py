"""The kubelet: runs the pods of one node as network namespaces and processes (docs/lab.md, "Pods")."""
