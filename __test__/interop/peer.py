"""The Python package `websockets` as a peer: an echo server, or a client.

    peer.py server    prints its port
    peer.py client    does an exchange for each line of JSON on its standard input, and prints the
                      outcome as one

Needs the package `websockets`.
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)

ALPHABET = "the quick brown fox jumps over the lazy dog, 0123456789 times; "


def fragments(message):
    """The message in three parts."""
    third = -(-len(message) // 3)
    return [message[:third], message[third : 2 * third], message[2 * third :]]


async def echo(connection):
    index = 0
    async for message in connection:
        index += 1
        fragmented = index % 3 == 0 and len(message) > 3
        await connection.send(fragments(message) if fragmented else message)


async def server():
    factory = ServerPerMessageDeflateFactory()
    options = {"extensions": [factory], "compression": None, "max_size": None}
    async with serve(echo, "127.0.0.1", 0, **options) as listening:
        print(json.dumps({"port": listening.sockets[0].getsockname()[1]}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def make_message(index, size, starts_with_text):
    text = ""
    i = index
    while len(text) < size:
        text += f"{i * 7919 % 104729}:{ALPHABET[i % 40:]}\n"
        i += 1
    text = text[:size]
    return text if (index % 2 == 0) == starts_with_text else text.encode()


async def exchange(job):
    factory = ClientPerMessageDeflateFactory(
        server_no_context_takeover=job["serverNoContextTakeover"],
        client_no_context_takeover=job["clientNoContextTakeover"],
        server_max_window_bits=job["serverMaxWindowBits"],
        client_max_window_bits=job["clientMaxWindowBits"],
    )
    options = {"extensions": [factory], "compression": None, "max_size": None}
    async with connect(job["url"], **options) as connection:
        for index, size in enumerate(job["sizes"]):
            if index == len(job["sizes"]) // 2:
                await asyncio.sleep(job["pauseMs"] / 1000)
            message = make_message(index, size, job["startsWithText"])
            fragmented = index % 3 == 2 and size > 3
            await connection.send(fragments(message) if fragmented else message)
            if await asyncio.wait_for(connection.recv(), 30) != message:
                raise ValueError(f"the echo of message {index} differs")
        return ", ".join(extension.name for extension in connection.protocol.extensions)


def client():
    for line in sys.stdin:
        try:
            outcome = {"error": None, "extensions": asyncio.run(exchange(json.loads(line)))}
        except Exception as error:
            outcome = {"error": f"{type(error).__name__}: {error}", "extensions": ""}
        print(json.dumps(outcome), flush=True)


if sys.argv[1] == "server":
    asyncio.run(server())
else:
    client()
