#pragma once

namespace workbench::app {

// Lets the heap grow in huge pages and keep what it has grown to. A run allocates and frees some
// hundred megabytes of tensors; faulting them in 4 KB at a time took a third of its time. Called
// once, before anything is allocated; where the kernel refuses, everything works as before.
void use_huge_pages();

}  // namespace workbench::app
