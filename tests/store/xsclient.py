# SPDX-License-Identifier: MIT
"""The xenstore wire protocol for tests: over the Unix socket, and over the ring of a simulated domain
(the folder that tests/store/xenstub.c describes). Nothing here is shared with the code under test."""
import mmap
import os
import select
import socket
import struct
import time

OPS = {name: number for number, name in enumerate(
    'CONTROL DIRECTORY READ GET_PERMS WATCH UNWATCH TRANSACTION_START TRANSACTION_END INTRODUCE RELEASE '
    'GET_DOMAIN_PATH WRITE MKDIR RM SET_PERMS WATCH_EVENT ERROR IS_DOMAIN_INTRODUCED RESUME SET_TARGET '
    '- RESET_WATCHES DIRECTORY_PART GET_FEATURE SET_FEATURE GET_QUOTA SET_QUOTA'.split())}
HEADER = struct.Struct('<IIII')
RING = 1024


class XsError(Exception):
    """An ERROR reply; args[0] is its name."""


class Client:
    """One connection: requests, and the watch events that arrived meanwhile."""

    def __init__(self):
        self.next_id = 1
        self.patience = 10.0         # seconds to wait for a reply
        self.events = []
        self.buffer = b''

    def send(self, data):
        raise NotImplementedError

    def state(self):
        return ''

    def receive(self, seconds):
        """Some more bytes, b'' if none came in time; raises EOFError when the other side is gone."""
        raise NotImplementedError

    def message(self, seconds=10.0):
        """The next whole message (type, request id, transaction, payload), or None in time."""
        deadline = time.monotonic() + seconds
        while True:
            if len(self.buffer) >= HEADER.size:
                kind, req, tx, length = HEADER.unpack_from(self.buffer)
                if len(self.buffer) >= HEADER.size + length:
                    payload = self.buffer[HEADER.size:HEADER.size + length]
                    self.buffer = self.buffer[HEADER.size + length:]
                    return kind, req, tx, payload
            left = deadline - time.monotonic()
            if left < 0:
                return None
            self.buffer += self.receive(left)

    def post(self, op, payload=b'', tx=0):
        """Sends a request, returns its id."""
        kind = OPS[op] if isinstance(op, str) else op
        req, self.next_id = self.next_id, self.next_id + 1
        self.send(HEADER.pack(kind, req, tx, len(payload)) + payload)
        return req

    def request_raw(self, op, payload=b'', tx=0):
        """The reply (type, payload) as it came; events that came first are kept."""
        req = self.post(op, payload, tx)
        while True:
            message = self.message(self.patience)
            if message is None:
                raise TimeoutError(f'no reply to {op} {payload!r} {self.state()}')
            kind, reply_id, _, data = message
            if kind == OPS['WATCH_EVENT']:
                self.events.append(tuple(data.split(b'\0')[:2]))
            elif reply_id == req:
                return kind, data
            else:
                raise AssertionError(f'reply {message} to request {req}')

    def request(self, op, payload=b'', tx=0):
        kind, data = self.request_raw(op, payload, tx)
        if kind == OPS['ERROR']:
            raise XsError(data.rstrip(b'\0').decode())
        return data

    def wait_events(self, seconds=0.2):
        """All events until none came for so long."""
        while True:
            message = self.message(seconds)
            if message is None:
                break
            if message[0] == OPS['WATCH_EVENT']:
                self.events.append(tuple(message[3].split(b'\0')[:2]))
        found, self.events = self.events, []
        return found

    # The operations by name; text is str.
    def read(self, path, tx=0):
        return self.request('READ', path.encode() + b'\0', tx).decode()

    def write(self, path, value, tx=0):
        self.request('WRITE', path.encode() + b'\0' + (value.encode() if isinstance(value, str) else value), tx)

    def mkdir(self, path, tx=0):
        self.request('MKDIR', path.encode() + b'\0', tx)

    def rm(self, path, tx=0):
        self.request('RM', path.encode() + b'\0', tx)

    def ls(self, path, tx=0):
        data = self.request('DIRECTORY', path.encode() + b'\0', tx)
        return sorted(x.decode() for x in data.split(b'\0')[:-1])

    def perms(self, path, tx=0):
        return self.request('GET_PERMS', path.encode() + b'\0', tx).rstrip(b'\0').decode().split('\0')

    def chmod(self, path, *perms, tx=0):
        self.request('SET_PERMS', b''.join(x.encode() + b'\0' for x in (path,) + perms), tx)

    def watch(self, path, token, *more):
        self.request('WATCH', b''.join(x.encode() + b'\0' for x in (path, token) + more))

    def unwatch(self, path, token):
        self.request('UNWATCH', path.encode() + b'\0' + token.encode() + b'\0')

    def begin(self):
        return int(self.request('TRANSACTION_START', b'\0').rstrip(b'\0'))

    def end(self, tx, commit=True):
        self.request('TRANSACTION_END', b'T\0' if commit else b'F\0', tx)

    def introduce(self, domid, gfn=1, port=None):
        self.request('INTRODUCE', f'{domid}\0{gfn}\0{port or domid}\0'.encode())

    def release(self, domid):
        self.request('RELEASE', f'{domid}\0'.encode())

    def control(self, *words):
        return self.request('CONTROL', b''.join(x.encode() + b'\0' for x in words)).rstrip(b'\0').decode()


class SocketClient(Client):
    def __init__(self, path):
        super().__init__()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, seconds):
        if not select.select([self.socket], [], [], seconds)[0]:
            return b''
        data = self.socket.recv(65536)
        if not data:
            raise EOFError('the store closed the connection')
        return data

    def close(self):
        self.socket.close()


class RingClient(Client):
    """A simulated domain's end of its ring. Created before INTRODUCE."""
    FIELDS = {'req_cons': 2048, 'req_prod': 2052, 'rsp_cons': 2056, 'rsp_prod': 2060,
              'server_features': 2064, 'connection': 2068, 'error': 2072}

    def __init__(self, folder, domid, start=0):
        super().__init__()
        self.folder, self.domid = folder, domid
        name = os.path.join(folder, f'ring.{domid}')
        with open(name + '.new', 'w+b') as file:
            file.truncate(4096)
        os.rename(name + '.new', name)
        with open(name, 'r+b') as file:
            self.page = mmap.mmap(file.fileno(), 4096)
        # Positions are read and written whole: struct would go byte by byte.
        self.words = memoryview(self.page).cast('I')
        for field in ('req_cons', 'req_prod', 'rsp_cons', 'rsp_prod'):
            self.set(field, start)
        fifo = os.path.join(folder, f'dom.{domid}')
        if not os.path.exists(fifo):
            os.mkfifo(fifo)
        self.doorbell = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        if not os.path.exists(os.path.join(folder, 'evtchn')):
            os.mkfifo(os.path.join(folder, 'evtchn'))
        self.events_fd = os.open(os.path.join(folder, 'evtchn'), os.O_RDWR | os.O_NONBLOCK)

    def get(self, field):
        return self.words[self.FIELDS[field] // 4]

    def set(self, field, value):
        self.words[self.FIELDS[field] // 4] = value & 0xffffffff

    def state(self):
        return {field: self.get(field) for field in self.FIELDS}

    def notify(self):
        os.write(self.events_fd, struct.pack('<I', self.domid))

    def wait(self, seconds):
        if select.select([self.doorbell], [], [], seconds)[0]:
            os.read(self.doorbell, 4096)

    def pending(self):
        """Bytes of ours that the store has not taken."""
        return (self.get('req_prod') - self.get('req_cons')) & 0xffffffff

    def put(self, data):
        """As much as there is room for; returns how many bytes. Like Linux, it notifies only if it found the ring empty."""
        prod, before = self.get('req_prod'), self.pending()
        part = data[:max(RING - before, 0)]
        for i, byte in enumerate(part):
            self.page[(prod + i) % RING] = byte
        self.set('req_prod', prod + len(part))
        if part and self.pending() <= len(part):
            self.notify()
        return len(part)

    def send(self, data):
        """Linux puts a header in before what follows it."""
        deadline = time.monotonic() + self.patience
        for piece in (data[:HEADER.size], data[HEADER.size:]):
            while piece:
                done = self.put(piece)
                piece = piece[done:]
                if piece and not done:
                    if time.monotonic() > deadline:
                        raise TimeoutError('the store takes nothing from the ring')
                    self.wait(0.01)

    def take(self):
        """What the store has put in. Like Linux, it notifies only if the ring was full."""
        cons = self.get('rsp_cons')
        size = (self.get('rsp_prod') - cons) & 0xffffffff
        data = bytes(self.page[RING + (cons + i) % RING] for i in range(min(size, RING)))
        self.set('rsp_cons', cons + len(data))
        if (self.get('rsp_prod') - cons) & 0xffffffff >= RING:
            self.notify()
        return data

    def receive(self, seconds):
        data = self.take()
        if not data:
            self.wait(min(seconds, 0.05))
            data = self.take()
        return data

    def die(self):
        """The domain is gone: what the hypervisor would tell the store with VIRQ_DOM_EXC."""
        os.unlink(os.path.join(self.folder, f'ring.{self.domid}'))
        os.write(self.events_fd, struct.pack('<I', 20000))

    def close(self):
        self.words.release()
        self.page.close()
        os.close(self.doorbell)
        os.close(self.events_fd)
