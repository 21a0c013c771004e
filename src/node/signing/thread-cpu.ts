/**
 * CPU time of the calling thread since it started, user and system, milliseconds: exact enough to sum the
 * differences of work that takes less than one.
 */
export const threadCpuMs = (): number => {
  // Linux adds a thread's running time to its account only at timer ticks and switches, some 4 ms apart,
  // and does not when one asks for one thread. Asking for the whole process brings the account up to date.
  process.cpuUsage();
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};
