/* The scripts that run a study as an array of jobs, with a stand-in for sbatch that notes how it
 * was called and runs each job at once: what they refuse, what they ask for, and that the shards
 * come together as what one process does. Slurm itself is in slow_slurm.c. */
#include "tests/study_program.h"

#include "impls/base/threads.h"

static const char fake_sbatch[] =
    "#!/bin/sh\n"
    "printf '%s\\n' \"$*\" >>sbatch.calls\n"
    "array= wait=\n"
    "while [ $# -gt 0 ]; do\n"
    "    case $1 in\n"
    "    --array=*) array=${1#--array=} ;;\n"
    "    --cpus-per-task=*) SLURM_CPUS_PER_TASK=${1#*=} && export SLURM_CPUS_PER_TASK ;;\n"
    "    -*) ;;\n"
    "    *) break ;;\n"
    "    esac\n"
    "    shift\n"
    "done\n"
    "if [ -z \"$array\" ]; then\n"
    "    sh \"$@\" >collect.log 2>&1\n"
    "    exit\n"
    "fi\n"
    "array=${array#1-}\n"
    "for i in $(seq \"${array%%%*}\"); do\n"
    "    SLURM_ARRAY_TASK_ID=$i SLURM_ARRAY_JOB_ID=7 sh \"$@\" >shard-$i.log 2>&1\n"
    "done\n"
    "echo '7;cluster'\n";

/* submit.sh in a folder of the bed, from which the stand-in is found. */
static void submit(struct command *out, struct bed *bed, const char *folder, const char *arguments)
{
    char here[512];
    assert_non_null(getcwd(here, sizeof here));
    fixture_write(&bed->folder, "sbatch", fake_sbatch, sizeof fake_sbatch - 1);
    assert_int_equal(chmod(bed_path(bed, "sbatch"), 0755), 0);
    command_shell(out, "cd '%s' && PATH=\"$(dirname '%s'):$PATH\" && export PATH && sh "
                  "'%s/bench/study/slurm/submit.sh' %s", bed_path(bed, folder),
                  bed_path(bed, "sbatch"), here, arguments);
}

static void test_what_is_refused(void **state)
{
    static const struct {
        const char *arguments, *says;
    } cases[] = {
        {"", "a study file is missing"},
        {"no.yaml", "no.yaml: there is no such study file"},
        {"../study.yaml", "build/cbam-bench: there is no such program"},
        {"--shards 0 ../study.yaml", "--shards is '0'"},
        {"--cpus two ../study.yaml", "--cpus is 'two'"},
        {"--time", "--time has no value"},
        {"--shard 3 ../study.yaml", "'--shard' is not known"},
        {"../study.yaml other.yaml", "one study was expected"},
    };
    struct bed *bed = *state;
    command_need();
    study_write(bed, "study.yaml", 1);
    study_folder(bed, "refused");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct command out;
        submit(&out, bed, "refused", cases[i].arguments);
        if (out.status != 2 || *out.out || !strstr(out.err, cases[i].says))
            fail_msg("%s: ended with %d and said: %s%s", cases[i].arguments, out.status, out.out,
                     out.err);
        command_free(&out);
    }
    assert_int_equal(study_files(bed, "refused", "sbatch.calls"), 0);
}

static void test_an_array_is_one_process(void **state)
{
    struct bed *bed = *state;
    struct command out;
    size_t size;
    command_need();
    study_write(bed, "study.yaml", 2);
    STUDY(study_folder(bed, "whole"),
          "run ../study.yaml --store store.sqlite --latency off --jobs 2");
    study_folder(bed, "array");
    assert_int_equal(mkdir(bed_path(bed, "array/plots"), 0777), 0);
    assert_int_equal(mkdir(bed_path(bed, "array/plots/out"), 0777), 0);
    submit(&out, bed, "array", "--shards 3 --at-once 2 --cpus 2 --partition short --time 1:00 "
           "--restarts 4 --program \"$CBAM_BENCH\" --store store.sqlite ../study.yaml -- "
           "--account=x");
    if (out.status != 0)
        fail_msg("ended with %d and said: %s%s", out.status, out.out, out.err);
    assert_non_null(strstr(out.out, "shards: job 7, 3 of them"));
    command_free(&out);
    study_assert_same(bed, "whole", "array");
    char *calls = (char *)file_get(bed_path(bed, "array/sbatch.calls"), &size);
    static const char *const expected[] = {
        "--array=1-3%2 --cpus-per-task=2 --requeue", "--signal=B:USR1@60", "--account=x",
        "--partition=short --time=1:00", " ../study.yaml store.sqlite 3 4\n",
        "--dependency=afterany:7 ", " ../study.yaml store.sqlite 3 no\n"};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        if (!strstr(calls, expected[i]))
            fail_msg("'%s' is not in: %s", expected[i], calls);
    free(calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {BED_TEST(test_what_is_refused),
                                       BED_TEST(test_an_array_is_one_process)};
    return cmocka_run_group_tests_name("slurm_scripts", tests, NULL, NULL);
}
