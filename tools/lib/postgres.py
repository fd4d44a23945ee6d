#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL cluster for tests and demonstrations: own directory, own socket, no TCP
unless TLS is asked for. Run as root it belongs to the user postgres, otherwise to the caller.

    with Postgres(directory) as server:
        ... server.conninfo ...
"""

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import hugepages


class PostgresError(Exception):
    pass


def binaries():
    """Directory of the newest installed server's programs."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"),
                   key=lambda path: int(path.split("/")[4].split(".")[0]))
    if not found:
        raise PostgresError("PostgreSQL is not installed; apt-get install postgresql-15")
    return found[-1]


def share():
    """The folder of the server's own files that goes with binaries()."""
    return f"/usr/share/postgresql/{binaries().split('/')[4]}"


class Postgres:
    """The socket's directory is `directory`/run, the data `directory`/data, the log
    `directory`/log. `directory` must be one that the user postgres can reach (/var/tmp).

    Never on huge pages: they are reserved for data planes, and a server that finds them free
    takes them in the moment in which one starts."""

    def __init__(self, directory, database="sluice", settings=None):
        self.directory = os.path.abspath(directory)
        self.data = os.path.join(self.directory, "data")
        self.run = os.path.join(self.directory, "run")
        self.database = database
        self.settings = dict(settings or {})
        self.user = "sluice"
        self.pid = 0
        self.tls_port = 0
        self._process = None
        if len(self.run) > 90:
            raise PostgresError(f"{self.run} is too long for a socket; choose a shorter directory")

    @property
    def conninfo(self):
        return (f"host={self.run} port={self.settings.get('port', '5432')} "
                f"dbname={self.database} user={self.user}")

    @property
    def tls_conninfo(self):
        """Over TCP with TLS; the server's certificate is its own authority."""
        return (f"host=localhost hostaddr=127.0.0.1 port={self.tls_port} dbname={self.database} "
                f"user={self.user} sslmode=verify-full sslrootcert={self.directory}/server.crt")

    def _as_owner(self):
        """What makes a child process the cluster's owner: the server refuses to run as root."""
        if os.geteuid() != 0:
            return {}
        owner = pwd.getpwnam("postgres")
        return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}

    def _owned(self, path):
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(path, owner.pw_uid, owner.pw_gid)

    def _run(self, *arguments):
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd="/",
                              env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                              **self._as_owner())
        if done.returncode != 0:
            raise PostgresError(f"{os.path.basename(arguments[0])}: {done.stderr.strip()}")
        return done.stdout

    def create(self):
        """Makes the cluster and its database, and leaves it stopped. An existing one is kept."""
        if os.path.exists(os.path.join(self.data, "PG_VERSION")):
            return
        for path in (self.directory, self.run):
            os.makedirs(path, exist_ok=True)
            self._owned(path)
        self._initdb()
        self.start()
        try:
            self.sql(f'create database "{self.database}"', database="postgres")
        finally:
            self.stop()

    def _initdb(self):
        """initdb runs the server a few times by itself. It takes no settings, but the sample of its
        configuration from another folder; and before it has read that, it only tries how much
        memory there is: the lock keeps starts away meanwhile."""
        with tempfile.TemporaryDirectory(dir=self.directory) as folder:
            os.chmod(folder, 0o755)
            for name in os.listdir(share()):
                os.symlink(os.path.join(share(), name), os.path.join(folder, name))
            sample = os.path.join(folder, "postgresql.conf.sample")
            with open(sample, encoding="utf-8") as stream:
                text = stream.read()
            os.unlink(sample)
            with open(sample, "w", encoding="utf-8") as stream:
                stream.write(text + "\nhuge_pages = off\n")
            os.chmod(sample, 0o644)
            with hugepages.locked():
                self._run(os.path.join(binaries(), "initdb"), "-D", self.data, "-U", self.user,
                          "-E", "UTF8", "--locale=C.UTF-8", "--auth=trust", "--no-sync",
                          "--no-instructions", "-L", folder)

    def enable_tls(self, password=None):
        """From the next start on also listens on 127.0.0.1, TLS only; with a password if given."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.tls_port = probe.getsockname()[1]
        key, certificate = (os.path.join(self.directory, "server." + end) for end in ("key", "crt"))
        if not os.path.exists(certificate):
            self._run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
                      "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                      "-keyout", key, "-out", certificate)
            os.chmod(key, 0o600)
            os.chmod(certificate, 0o644)
        self.settings.update({"listen_addresses": "127.0.0.1", "port": str(self.tls_port),
                              "ssl": "on", "ssl_cert_file": certificate, "ssl_key_file": key})
        with open(os.path.join(self.data, "pg_hba.conf"), "w", encoding="ascii") as rules:
            rules.write("local all all trust\nhostssl all all 127.0.0.1/32 "
                        + ("scram-sha-256" if password else "trust") + "\n")
        if password:
            running = self.pid != 0
            if not running:
                self.start()
            self.sql(f"alter role {self.user} password '{password}'")
            if not running:
                self.stop()

    def start(self, timeout=60.0):
        """Starts the server and waits until it answers."""
        if self.pid:
            return self
        settings = {"listen_addresses": "", "unix_socket_directories": self.run,
                    "logging_collector": "off", "max_wal_size": "4GB", "shared_buffers": "256MB",
                    "autovacuum_naptime": "20s", "huge_pages": "off", **self.settings}
        arguments = [os.path.join(binaries(), "postgres"), "-D", self.data]
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        with open(os.path.join(self.directory, "log"), "ab") as log:
            # pylint: disable=consider-using-with  (it outlives this function)
            self._process = subprocess.Popen(arguments, stdout=log, stderr=log, cwd="/",
                                             stdin=subprocess.DEVNULL, start_new_session=True,
                                             env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                                             **self._as_owner())
        self.pid = self._process.pid
        port = settings.get("port", "5432")
        end = time.monotonic() + timeout
        while True:
            done = subprocess.run([os.path.join(binaries(), "pg_isready"), "-q", "-h", self.run,
                                   "-p", port], check=False)
            if done.returncode == 0:
                return self
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                with open(os.path.join(self.directory, "log"), encoding="utf-8",
                          errors="replace") as log:
                    raise PostgresError("PostgreSQL does not start: " + log.read()[-1000:])
            time.sleep(0.05)

    def _wait(self, timeout):
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self.pid = 0

    def stop(self, mode="fast", timeout=60.0):
        """mode: smart (waits for clients), fast, immediate (as in a crash)."""
        if self.pid:
            os.kill(self.pid, {"smart": signal.SIGTERM, "fast": signal.SIGINT,
                               "immediate": signal.SIGQUIT}[mode])
            self._wait(timeout)

    def kill(self):
        """The server and its backends, without warning. The next start recovers."""
        if not self.pid:
            return
        family = self._family()
        os.kill(self.pid, signal.SIGKILL)
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._wait(10.0)

    def _family(self):
        """Children of the postmaster, by id."""
        children = []
        for path in glob.glob(f"/proc/{self.pid}/task/*/children"):
            with open(path, encoding="ascii") as names:
                children += [int(name) for name in names.read().split()]
        return children

    def sql(self, text, database=None):
        """Rows as lines, columns parted by |."""
        return self._run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.run, "-p",
                         self.settings.get("port", "5432"), "-U", self.user, "-d",
                         database or self.database, "-c", text).rstrip("\n")

    def remove(self):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        self.create()
        return self.start()

    def __exit__(self, *exception):
        self.remove()


def stop_leftover(directory, timeout=60.0):
    """Stops a server that an earlier process started under `directory` and left running."""
    try:
        with open(os.path.join(directory, "data", "postmaster.pid"), encoding="ascii") as stream:
            pid = int(stream.readline())
        with open(f"/proc/{pid}/comm", encoding="ascii") as stream:
            if stream.read().strip() != "postgres":
                return  # the number was given to another program since
        os.kill(pid, signal.SIGINT)
    except (OSError, ValueError):
        return
    end = time.monotonic() + timeout
    while os.path.exists(f"/proc/{pid}"):
        if time.monotonic() > end:
            raise PostgresError(f"PostgreSQL (process {pid}) did not stop; see {directory}/log")
        time.sleep(0.05)
