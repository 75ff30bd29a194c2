"""Ports are free when given and never given twice."""

import socket
import subprocess
import sys

import pytest

from adit.stack.ports import LOOPBACK, accepts_connections, free_port, is_free, wait_until


def test_a_free_port_can_be_listened_on():
    port = free_port()
    assert is_free(port)
    with socket.create_server((LOOPBACK, port)):
        assert not is_free(port)
        assert accepts_connections(port)


def test_the_preferred_port_is_given_when_it_is_free():
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
    assert free_port(port) == port


def test_a_taken_port_is_replaced():
    with socket.create_server((LOOPBACK, 0)) as server:
        taken = server.getsockname()[1]
        assert free_port(taken) != taken


def test_no_port_is_given_twice():
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert free_port(ports[0]) != ports[0]


def test_the_preferred_port_is_not_given_to_another_process_before_anything_listens():
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
    code = f"from adit.stack.ports import free_port; print(free_port({port}), flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        assert int(other.stdout.readline()) == port
        assert is_free(port)
        assert free_port(port) != port
        other.communicate("\n", timeout=30)
    assert free_port(port) == port


def test_waiting_says_what_it_waited_for():
    with pytest.raises(TimeoutError, match="the moon"):
        wait_until(lambda: False, "the moon", timeout=0.1)
