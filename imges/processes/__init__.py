"""Connects the processes of one machine: a hub in the parent, a link in each of `server.workers` processes.

A process has a socket to its parent. Over it the process asks for memory to decode in, and has hits of client addresses
counted, so that limits apply to all processes together. It also sends notices: which lookups the other processes must
forget. The parent sends the notice to stop. If a process dies, its socket closes and the parent releases what it held.

A message is JSON: `[number, name, arguments…]`. A question has a number, and its answer the same number. A notice has
the number 0 and no answer.
"""
