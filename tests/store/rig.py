# SPDX-License-Identifier: MIT
"""Daemons under test, each with a folder of its own: ours over simulated domains, and Debian's over
xenstub.c. Also the result lines of tests/README.md."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from xsclient import RingClient, SocketClient

SRC = os.environ.get('PV_SRC') or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('PV_BUILD') or os.path.join(SRC, 'build')
CACHE = os.environ.get('PV_CACHE') or os.path.join(BUILD, 'cache')
OURS = os.path.join(BUILD, 'tests/store/stored')
OURS_FAST = os.path.join(BUILD, 'tests/store/stored_fast')


class Daemon:
    """A store that runs. `command` and `env` are given its folder."""

    running = []

    def __init__(self, command, env=None):
        self.folder = tempfile.mkdtemp(prefix='store-', dir='/dev/shm' if os.path.isdir('/dev/shm') else None)
        os.mkdir(self.path('sim'))
        with open(self.path('sim/xsd_port'), 'w') as file:
            file.write('0')
        self.dom0 = RingClient(self.path('sim'), 0)
        self.command, self.env = command, env
        self.process = None
        Daemon.running.append(self)
        self.start()

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, wait=True):
        env = dict(os.environ, **(self.env(self) if self.env else {}))
        with open(self.path('log'), 'ab') as log:
            self.process = subprocess.Popen(self.command(self), env=env, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while wait:
            try:
                SocketClient(self.path('socket')).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise AssertionError('the store does not start:\n' + self.log()) from None
                time.sleep(0.002)

    def kill(self):
        # subprocess takes a stop, which a process that is traced reports first, for its end.
        if self.process.returncode is None:
            os.kill(self.process.pid, signal.SIGKILL)
            while os.WIFSTOPPED(os.waitpid(self.process.pid, 0)[1]):
                pass
            self.process.wait()

    def client(self):
        return SocketClient(self.path('socket'))

    def guest(self, domid, start=0, home=True):
        """A domain with its ring, introduced, and a home whose folder data is its own."""
        ring = RingClient(self.path('sim'), domid, start)
        client = self.client()
        if home:
            client.mkdir(f'/local/domain/{domid}/data')
            client.chmod(f'/local/domain/{domid}', 'n0', f'r{domid}')
            client.chmod(f'/local/domain/{domid}/data', f'n{domid}')
        client.introduce(domid)
        client.close()
        return ring

    def log(self):
        with open(self.path('log'), errors='replace') as file:
            return file.read()

    def close(self):
        """Stops it; a sanitizer's report is a failure."""
        Daemon.running.remove(self)
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        log = self.log()
        shutil.rmtree(self.folder, ignore_errors=True)
        if 'Sanitizer' in log or 'runtime error' in log:
            raise AssertionError('the store was stopped by a sanitizer:\n' + log[-6000:])


def ours(*options, binary=OURS):
    return Daemon(lambda d: [binary, '--devices', d.path('sim'), '--socket', d.path('socket'), '--state',
                             d.path('journal'), *options])


def debian_folder():
    """xen-utils-4.17 unpacked, or None when it cannot be had."""
    folder = os.path.join(CACHE, 'xen-utils-4.17')
    if not os.path.isdir(folder):
        os.makedirs(CACHE, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            script = ('apt-get -q -o APT::Sandbox::User=root download xen-utils-4.17 && '
                      'dpkg-deb -x *.deb unpacked')
            if subprocess.run(script, shell=True, cwd=work, stdout=subprocess.DEVNULL, check=False).returncode:
                return None
            os.rename(os.path.join(work, 'unpacked'), folder)
    return folder


def debian(program='xenstored'):
    """Debian's daemon over our stub, or None when it cannot be had."""
    folder = debian_folder()
    binary = folder and os.path.join(folder, 'usr/lib/xen-4.17/bin', program)
    stub = os.path.join(BUILD, 'tests/store/xenstub.so')
    if not binary or not os.path.exists(binary):
        return None

    def command(d):
        if program == 'xenstored':
            return [binary, '-N']
        config = d.path('oxenstored.conf')
        with open(config, 'w') as file:
            file.write('persistent = false\nquota-activate = false\naccess-log-nb-files = 0\n'
                       'access-log-file = /dev/null\nxenstored-log-file = /dev/null\n'
                       f'pid-file = {d.path("pid")}\nxenstored-kva = {d.path("sim/ring.0")}\n'
                       f'xenstored-port = {d.path("sim/xsd_port")}\n')
        return [binary, '--no-fork', '--config-file', config]

    return Daemon(command, lambda d: {'LD_PRELOAD': stub, 'XENSTUB_DIR': d.path('sim'),
                                      'XENSTORED_RUNDIR': d.folder})


def run(suite, tests):
    """Runs functions and prints a result line for each. Returns the exit status."""
    failed = 0
    wanted = sys.argv[1:]
    for test in tests:
        name = test.__name__
        if wanted and name not in wanted:
            continue
        try:
            skipped = test()
            print(f'SKIP {suite}/{name}: {skipped}' if skipped else f'PASS {suite}/{name}', flush=True)
        except Exception as error:
            failed += 1
            traceback.print_exc()
            for daemon in list(Daemon.running):
                print(daemon.log()[-2000:])
                daemon.kill()
                daemon.close()
            print(f'FAIL {suite}/{name}: {type(error).__name__} {str(error).splitlines()[:1]}', flush=True)
    return 1 if failed else 0
