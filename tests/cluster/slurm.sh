#!/usr/bin/env bash
# Starts a Slurm cluster of one node on this machine, runs tests/cluster/on_slurm.py and stops it.
# Needs root and `apt-get install slurm-wlm munge`. All its files are in a temporary folder, except
# /etc/slurm/slurm.conf and gres.conf, which Slurm's commands read when they run in a job.
set -euo pipefail
cd "$(dirname "$0")/../.."

config=/etc/slurm/slurm.conf
if [ -e $config ] && ! grep --quiet "^ClusterName=of_a_test" $config; then
    echo "$config is there: this machine has a Slurm of its own" >&2
    exit 1
fi
folder=$(mktemp --directory)
daemons=()
stop() {
    status=$?
    scancel --quiet --full --signal=KILL --me 2>/dev/null || true
    kill "${daemons[@]}" 2>/dev/null || true
    wait || true
    if [ $status -ne 0 ]; then tail --lines=20 "$folder"/*.log; fi
    rm --recursive --force "$folder" $config /etc/slurm/gres.conf
}
trap stop EXIT

mkdir "$folder/state" "$folder/spool"
chmod 755 "$folder"
# One GPU that is counted but does not exist: the test is that no two jobs have it at once.
echo "Name=gpu File=/dev/null" >/etc/slurm/gres.conf
cat >$config <<CONF
ClusterName=of_a_test
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MinJobAge=7200
GresTypes=gpu
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=2 RealMemory=64000 Gres=gpu:1
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE
CONF

head --bytes=128 /dev/urandom >"$folder/munge.key"
chmod 600 "$folder/munge.key"
munged --foreground --force --socket="$folder/munge.socket" --key-file="$folder/munge.key" \
    --pid-file="$folder/munge.pid" --log-file="$folder/munge.log" --seed-file="$folder/munge.seed" 2>/dev/null &
daemons+=($!)
until [ -S "$folder/munge.socket" ]; do sleep 0.1; done
slurmctld -D 2>/dev/null &
daemons+=($!)
slurmd -D 2>/dev/null &
daemons+=($!)
for _ in $(seq 300); do
    if sinfo --noheader --format=%t 2>/dev/null | grep --quiet idle; then break; fi
    sleep 0.1
done
sinfo
pytest tests/cluster/on_slurm.py "$@"
