// --daemon: the server leaves the terminal that started it.
#pragma once

namespace prefork::process {

// Returns in the detached process; the one that called ends with status 0. Before any thread. Standard streams go to /dev/null, output
// and error only unless they are to be kept. Files are made without write permission for others. Throws std::system_error.
void become_daemon(bool keep_output);

}  // namespace prefork::process
