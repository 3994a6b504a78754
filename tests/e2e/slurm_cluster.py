"""A Slurm cluster of this machine alone: munged, slurmctld and slurmd in a folder of their own, on
ports of their own, without systemd. For tests; as root, because slurmd wants to be."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "srun"]

CONFIGURATION = """ClusterName=lab
SlurmctldHost={host}
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge/sock
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
ReturnToService=2
KillWait=2
SlurmdTimeout=5
JobRequeue=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,bf_interval=1,sched_interval=1
NodeName=localhost NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} CoresPerSocket={cpus} State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES State=UP
"""


def missing():
    """What cannot be done without, in words; empty: a cluster can be started."""
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    lacking = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if lacking:
        return f"no {', '.join(lacking)} (packages slurm-wlm, munge)"
    return "" if os.geteuid() == 0 else "not root"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class SlurmCluster:
    """With it: `environment` is what sbatch and the like need."""

    def __init__(self, cpus=2):
        self.cpus = cpus
        self.daemons = []

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        for name in ["munge", "state", "spool"]:
            (self.folder / name).mkdir()
        os.chmod(self.folder, 0o755)
        os.chmod(self.folder / "munge", 0o755)
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        configuration = self.folder / "slurm.conf"
        configuration.write_text(CONFIGURATION.format(
            folder=self.folder, host=socket.gethostname(), cpus=self.cpus,
            controller_port=free_port(), node_port=free_port()))
        self.environment = {**os.environ, "SLURM_CONF": str(configuration),
                            "PATH": os.environ.get("PATH", "") + ":/usr/sbin"}
        try:
            munge = self.folder / "munge"
            self.succeed("munged", "--force", f"--key-file={key}", f"--socket={munge}/sock",
                         f"--pid-file={munge}/pid", f"--log-file={munge}/log",
                         f"--seed-file={munge}/seed")  # returns when it serves its socket
            self.start("slurmctld", "-D")
            self.start_node()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.ask("munged", "--stop", f"--socket={self.folder}/munge/sock")
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_node(self):
        """Returns when the node has done a job: srun waits for the controller, then for a node."""
        self.start("slurmd", "-D", "-N", "localhost")
        self.succeed("srun", "--quiet", "true")

    def lose_node(self):
        """As if its power were gone: the daemon and all that it had started, at once."""
        node = self.daemons.pop()
        node.kill()
        node.wait()
        for process in self.tasks():
            os.kill(process, signal.SIGKILL)
        for process in self.steps():
            os.kill(process, signal.SIGKILL)

    def start(self, *command):
        self.daemons.append(subprocess.Popen(command, env=self.environment,
                                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def ask(self, *command):
        return subprocess.run(command, env=self.environment, capture_output=True, text=True,
                              timeout=60)

    def succeed(self, *command):
        done = self.ask(*command)
        if done.returncode == 0:
            return
        ends = []
        for log in [*self.folder.glob("*.log"), self.folder / "munge" / "log"]:
            ends += log.read_text().splitlines()[-5:] if log.exists() else []
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr} | " + " | ".join(ends))

    def processes(self, is_wanted):
        """Process ids of this cluster whose command line and environment are wanted."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
                environment = (process / "environ").read_bytes()
            except OSError:
                continue
            ours = f"SLURM_CONF={self.folder}/slurm.conf".encode() in environment
            if ours and is_wanted(words, environment):
                found.append(int(process.name))
        return sorted(found)

    def tasks(self):
        """Of the array tasks' workers that run now."""
        return self.processes(lambda words, environment: b"sweep-worker" in words and
                              b"SLURM_ARRAY_TASK_ID=" in environment)

    def steps(self):
        """Of what the node's daemon keeps beside each task."""
        return self.processes(lambda words, _: words[0].startswith(b"slurmstepd"))
