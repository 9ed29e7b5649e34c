"""Carries plain connections on to a server that speaks TLS, for programs that can be told no authority of their own.

usage: unwrap_tls.py PORT HOST:PORT CA.pem      listens on 127.0.0.1 until it is ended
"""

import asyncio
import ssl
import sys


async def carry(source, sink):
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
        else:
            sink.close()  # TLS knows no half of an end
    except OSError:
        sink.close()


async def main(port, host, server, authority):
    trust = ssl.create_default_context(cafile=authority)

    async def accept(reader, writer):
        try:
            there, back = await asyncio.open_connection(host, server, ssl=trust)
        except OSError:
            writer.close()
            return
        await asyncio.gather(carry(reader, back), carry(there, writer))
        writer.close()
        back.close()

    async with await asyncio.start_server(accept, "127.0.0.1", port) as listener:
        await listener.serve_forever()


port, server, authority = sys.argv[1:]
asyncio.run(main(int(port), server.rpartition(":")[0], int(server.rpartition(":")[2]), authority))
