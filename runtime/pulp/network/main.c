// Runs the network once on its stored input and compares everything that is known.
#include "network.h"

static void application(void) {
  printf("%s: %ld layers, %ld check sums\n", network_name, (long)network_layers,
         (long)network_checks);
  network_initialize();
  const int wrong = network_run();
  if (wrong < 0) {
    printf("error: the cluster has not run\n");
    pmsis_exit(2);
  }
  const int differ = network_compare_outputs();
  network_terminate();
  printf("%s\n", wrong == 0 && differ == 0 ? "all as expected" : "NOT as expected");
  pmsis_exit(wrong == 0 && differ == 0 ? 0 : 1);
}

int main(void) { return pmsis_kickoff((void*)application); }
