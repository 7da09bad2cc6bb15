/* A study on a Slurm cluster of one node, which is this machine: munged, slurmctld and slurmd of
 * Debian's packages, started here in a folder of their own, on ports of their own. What an array of
 * shards leaves, requeued or not, is what one process leaves. Skipped by name where they are not
 * installed, or without root's rights, which slurmd needs. */
#include "tests/study_program.h"

#include "impls/base/threads.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum { DAEMONS = 3, WAIT_S = 60 };

struct cluster {
    struct bed *bed;
    pid_t pid[DAEMONS];
    char scripts[600]; /* bench/study/slurm */
};

/* ---- the cluster ---- */

static void need_slurm(void)
{
    static const char *const programs[] = {"munged", "slurmctld", "slurmd", "sbatch", "scontrol"};
    char line[100];
    for (int i = 0; i < 5; i++) {
        snprintf(line, sizeof line, "command -v %s >/dev/null 2>&1", programs[i]);
        if (system(line) != 0) {
            print_message("skipped: %s is not installed: apt-get install slurmctld slurmd "
                          "slurm-client munge\n", programs[i]);
            skip();
        }
    }
    if (getuid() != 0) {
        print_message("skipped: slurmd needs root's rights\n");
        skip();
    }
}

/* A port that nobody listens on. */
static int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(s >= 0);
    assert_int_equal(bind(s, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(s, (struct sockaddr *)&at, &size), 0);
    close(s);
    return ntohs(at.sin_port);
}

static void write_config(struct bed *bed)
{
    char text[4000], host[65], *dir = strdup(bed_path(bed, "slurm"));
    assert_non_null(dir);
    assert_int_equal(gethostname(host, sizeof host), 0);
    host[strcspn(host, ".")] = '\0';
    int n = snprintf(
        text, sizeof text,
        "ClusterName=test\nSlurmctldHost=%s(127.0.0.1)\nSlurmUser=root\nSlurmctldPort=%d\n"
        "SlurmdPort=%d\nAuthType=auth/munge\nCredType=cred/munge\n"
        /* a requeued job waits for as long as the credential lives */
        "AuthInfo=socket=%s/munge.socket,cred_expire=5\n"
        "StateSaveLocation=%s/state\nSlurmdSpoolDir=%s/spool\nSlurmctldPidFile=%s/slurmctld.pid\n"
        "SlurmdPidFile=%s/slurmd.pid\nSlurmctldLogFile=%s/slurmctld.log\n"
        "SlurmdLogFile=%s/slurmd.log\n"
        "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nMpiDefault=none\n"
        "JobAcctGatherType=jobacct_gather/none\nAccountingStorageType=accounting_storage/none\n"
        "SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\n"
        "SlurmdParameters=config_overrides\nReturnToService=2\nKillWait=2\n"
        "NodeName=%s NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\n"
        "PartitionName=two Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n",
        host, free_port(), free_port(), dir, dir, dir, dir, dir, dir, dir, host);
    assert_true(n > 0 && (size_t)n < sizeof text);
    fixture_write(&bed->folder, "slurm/slurm.conf", text, (size_t)n);
    setenv("SLURM_CONF", bed_path(bed, "slurm/slurm.conf"), 1);
    free(dir);
}

static pid_t start_daemon(struct bed *bed, const char *name, const char *arguments)
{
    char line[2000];
    snprintf(line, sizeof line, "exec %s %s >'%s/%s.out' 2>&1", name, arguments,
             bed_path(bed, "slurm"), name);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void pause_ms(int ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&time, NULL);
}

/* Waits until a line of shell succeeds. */
static void wait_for(const char *line, const char *what)
{
    for (int i = 0; i < WAIT_S * 20; i++) {
        if (system(line) == 0)
            return;
        pause_ms(50);
    }
    fail_msg("after %d s still not: %s", WAIT_S, what);
}

static int cluster_setup(void **state)
{
    struct cluster *c = calloc(1, sizeof *c);
    char here[512];
    if (!c || bed_setup(state) != 0 || !getcwd(here, sizeof here))
        return -1;
    c->bed = *state;
    snprintf(c->scripts, sizeof c->scripts, "%s/bench/study/slurm", here);
    *state = c;
    return 0;
}

static void cluster_start(struct cluster *c)
{
    struct bed *bed = c->bed;
    char key[1024], arguments[1600];
    const char *folders[] = {"slurm", "slurm/state", "slurm/spool"};
    for (int i = 0; i < 3; i++)
        assert_int_equal(mkdir(bed_path(bed, folders[i]), 0755), 0);
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (char)(i * 167 + i / 7 + (size_t)getpid());
    fixture_write(&bed->folder, "slurm/key", key, sizeof key);
    assert_int_equal(chmod(bed_path(bed, "slurm/key"), 0400), 0);
    write_config(bed);
    const char *dir = bed_path(bed, "slurm");
    snprintf(arguments, sizeof arguments, "--foreground --force --socket='%s/munge.socket' "
             "--key-file='%s/key' --pid-file='%s/munged.pid' --seed-file='%s/seed' "
             "--log-file='%s/munged.log'", dir, dir, dir, dir, dir);
    c->pid[0] = start_daemon(bed, "munged", arguments);
    snprintf(arguments, sizeof arguments, "test -S '%s'", bed_path(bed, "slurm/munge.socket"));
    wait_for(arguments, "munged listens");
    c->pid[1] = start_daemon(bed, "slurmctld", "-D -c");
    c->pid[2] = start_daemon(bed, "slurmd", "-D");
    wait_for("sinfo -h -o %T 2>/dev/null | grep -q idle", "the node is idle (slurm*.out says why)");
}

static int cluster_teardown(void **state)
{
    struct cluster *c = *state;
    struct bed *bed = c->bed;
    int status;
    for (int i = DAEMONS - 1; i >= 0; i--)
        if (c->pid[i] > 0) {
            kill(c->pid[i], SIGTERM);
            waitpid(c->pid[i], &status, 0);
        }
    unsetenv("SLURM_CONF");
    free(c);
    *state = bed;
    return bed_teardown(state);
}

/* ---- studies ---- */

/* Runs the study in folder "whole", by one process and undisturbed. */
static void run_whole(struct bed *bed, int seeds)
{
    study_write(bed, "study.yaml", seeds);
    STUDY(study_folder(bed, "whole"),
          "run ../study.yaml --store store.sqlite --latency off --jobs 1");
}

/* submit.sh in a folder of the bed; fails unless it ends with `status`. */
static void submit(struct command *out, struct cluster *c, const char *folder, int status,
                   const char *arguments)
{
    command_shell(out, "cd '%s' && mkdir -p plots/out && sh '%s/submit.sh' --program "
                  "\"$CBAM_BENCH\" --store store.sqlite %s", bed_path(c->bed, folder), c->scripts,
                  arguments);
    if (out->status != status)
        fail_msg("%s\nended with %d and said: %s%s", out->line, out->status, out->out, out->err);
}

/* An array; and the same line once more, which finds nothing left to do. */
static void test_an_array_is_one_process(void **state)
{
    struct cluster *c = *state;
    struct command out;
    need_slurm();
    command_need();
    cluster_start(c);
    run_whole(c->bed, 2);
    study_folder(c->bed, "array");
    for (int i = 0; i < 2; i++) {
        submit(&out, c, "array", 0, "--shards 3 --cpus 1 --partition two --time 10 --wait "
               "../study.yaml -- --nice=1");
        assert_non_null(strstr(out.out, "shards: job "));
        command_free(&out);
        study_assert_same(c->bed, "whole", "array");
        study_assert_intact(c->bed, "array");
        assert_int_equal(study_number(c->bed, "array", "SELECT sum(attempts) FROM cells"),
                         STUDY_CELLS);
    }
    assert_int_equal(access(bed_path(c->bed, "array/runs/report.md"), R_OK), 0);
    assert_int_equal(study_files(c->bed, "array/slurm", ".log"), 2 * (3 + 1));
    assert_int_equal(study_files(c->bed, "array", ".sqlite"), 3 + 1);
}

/* The first job of the array is taken off its node while it runs, as by a node that fails or a user
 * with more rights; the second is told that its time is over. */
static void test_requeued(void **state)
{
    struct cluster *c = *state;
    struct command out;
    char line[600];
    int array = 0;
    need_slurm();
    command_need();
    cluster_start(c);
    run_whole(c->bed, 6);
    study_folder(c->bed, "again");
    submit(&out, c, "again", 0, "--shards 2 --time 10 ../study.yaml");
    assert_int_equal(sscanf(strstr(out.out, "shards: job "), "shards: job %d", &array), 1);
    command_free(&out);
    snprintf(line, sizeof line, "squeue -h -r -t R -j %d -o %%i | grep -q _1 && "
             "scontrol requeue %d_1", array, array);
    wait_for(line, "job 1 runs");
    snprintf(line, sizeof line, "grep -q '^study runs' '%s/study-%d-2.log' 2>/dev/null && "
             "scancel --batch --signal=USR1 %d_2", bed_path(c->bed, "again/slurm"), array, array);
    wait_for(line, "job 2 runs");
    wait_for("test -z \"$(squeue -h)\"", "all jobs have ended");
    study_assert_same(c->bed, "whole", "again");
    snprintf(line, sizeof line, "cat '%s'/*-%d-*.log | grep -c 'restart 1'",
             bed_path(c->bed, "again/slurm"), array);
    command_shell(&out, "%s", line);
    assert_int_equal(atoi(out.out), 2);
    command_free(&out);
}

/* A study that cannot run: the last job says so, and the shards' logs say why. */
static void test_a_study_that_cannot_run(void **state)
{
    static const char text[] = "name: none\nmodels: [resnet20]\nattention: [none]\nseeds: 1\n"
                               "target: {data: [\"idx:nowhere\"]}\ntransfer: [{arm: scratch}]\n";
    struct cluster *c = *state;
    struct command out;
    need_slurm();
    command_need();
    cluster_start(c);
    fixture_write(&c->bed->folder, "study.yaml", text, sizeof text - 1);
    study_folder(c->bed, "none");
    submit(&out, c, "none", 1, "--shards 2 --wait ../study.yaml");
    command_free(&out);
    command_shell(&out, "cat '%s'/slurm/*.log", bed_path(c->bed, "none"));
    assert_non_null(strstr(out.out, "nowhere"));
    assert_non_null(strstr(out.out, "shard 2 came to nothing"));
    command_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_array_is_one_process, cluster_setup,
                                        cluster_teardown),
        cmocka_unit_test_setup_teardown(test_requeued, cluster_setup, cluster_teardown),
        cmocka_unit_test_setup_teardown(test_a_study_that_cannot_run, cluster_setup,
                                        cluster_teardown),
    };
    return cmocka_run_group_tests_name("slurm", tests, NULL, NULL);
}
