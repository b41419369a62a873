#include "python/bridge/interpreter.hpp"

#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <vector>

#include "python/bridge/bytes.hpp"
#include "python/bridge/error.hpp"

namespace prefork::bridge {
namespace {

std::string real_path(const std::string& path) {
  char buffer[PATH_MAX];
  return ::realpath(path.c_str(), buffer) != nullptr ? std::string(buffer) : path;
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

// `home = /usr/bin` of the pyvenv.cfg beside or above an executable; empty when it is no virtual environment.
std::string virtual_home(const std::string& python) {
  const std::string folder = folder_of(python);
  for (const std::string& place : {folder, folder_of(folder)}) {
    std::ifstream file(place + "/pyvenv.cfg");
    for (std::string line; std::getline(file, line);) {
      const auto equals = line.find('=');
      if (equals == std::string::npos || line.substr(0, line.find_last_not_of(" \t", equals - 1) + 1) != "home")
        continue;
      const auto start = line.find_first_not_of(" \t", equals + 1);
      return start == std::string::npos ? "" : line.substr(start, line.find_last_not_of(" \t\r") + 1 - start);
    }
  }
  return {};
}

void check(PyStatus status, PyConfig* config) {
  if (!PyStatus_Exception(status)) return;
  const std::string why = status.err_msg != nullptr ? status.err_msg : "unknown reason";
  PyConfig_Clear(config);
  throw std::runtime_error("Python does not start: " + why);
}

void set_text(PyConfig& config, wchar_t** member, const std::string& text) {
  check(PyConfig_SetBytesString(&config, member, text.c_str()), &config);
}

void require(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string(what) + ": " + take_traceback());
}

void put_first(PyObject* path, std::string_view entry) {
  const PyRef text =
      PyRef::steal(PyUnicode_DecodeFSDefaultAndSize(entry.data(), static_cast<Py_ssize_t>(entry.size())));
  require(text && PyList_Insert(path, 0, text.get()) == 0, "sys.path");
}

// As gunicorn: the folder that the server was started in comes first, before it the one that it was told to go to, and then each
// entry of --pythonpath before everything, so that the last of them wins.
void set_path(const wire::Settings& settings) {
  PyObject* path = PySys_GetObject("path");
  require(path != nullptr && PyList_Check(path), "sys.path is not a list");
  std::string folder(settings.get("chdir"));
  if (folder.empty()) {
    char here[PATH_MAX];
    folder = ::getcwd(here, sizeof here) != nullptr ? here : ".";
  }
  const std::string_view launched = settings.get("launch_directory");
  if (!launched.empty() && launched != folder) put_first(path, launched);
  put_first(path, folder);
  std::string_view rest = settings.get("pythonpath");
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    const std::string_view entry = rest.substr(0, comma);
    if (!entry.empty()) put_first(path, entry.front() == '/' ? std::string(entry) : folder + "/" + std::string(entry));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  }
}

// sys.argv: whoever reads the command line reads the application's name, and no options that are not its own.
std::vector<std::string> command_line(const wire::Settings& settings) {
  std::vector<std::string> words{"prefork"};
  if (const auto app = settings.get("app"); !app.empty()) words.emplace_back(app);
  return words;
}

// From the first line on, because sitecustomize and *.pth files look at it too; sys.orig_argv becomes the same.
void set_command_line(PyConfig& config, std::vector<std::string> words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size());
  for (std::string& word : words) pointers.push_back(word.data());
  check(PyConfig_SetBytesArgv(&config, static_cast<Py_ssize_t>(pointers.size()), pointers.data()), &config);
}

}  // namespace

std::string environment_python(const wire::Settings& settings) {
  const auto named = settings.get("python");
  return named.empty() ? std::string(PREFORK_PYTHON_EXECUTABLE) : std::string(named);
}

bool embeds(const std::string& python) {
  const std::string embedded = real_path(PREFORK_PYTHON_EXECUTABLE);
  const std::string home = virtual_home(python);
  const std::string found = real_path(python);
  if (home.empty()) return found == embedded;
  // A virtual environment's python is a link to the base's or, with --copies, a file of its own beside which only the home tells.
  return found == embedded || (folder_of(found) == folder_of(python) && real_path(home) == folder_of(embedded));
}

Interpreter::Interpreter(const wire::Settings& settings) {
  PyConfig config;
  PyConfig_InitPythonConfig(&config);
  // As if this executable had been started under that path: from there Python finds pyvenv.cfg, prefix and site-packages.
  const std::string python = environment_python(settings);
  set_text(config, &config.program_name, python);
  set_text(config, &config.executable, python);
  config.parse_argv = 0;
  set_command_line(config, command_line(settings));
  config.install_signal_handlers = 1;
  config.faulthandler = 0;  // after our own handlers are there, so that it chains to them
#ifdef Py_GIL_DISABLED
  config.enable_gil = 1;  // threads share what the bridge keeps, and nothing else guards it
#endif
  check(Py_InitializeFromConfig(&config), &config);
  PyConfig_Clear(&config);
}

Interpreter::~Interpreter() {
  if (Py_IsInitialized() != 0) (void)Py_FinalizeEx();
}

void prepare_interpreter(const wire::Settings& settings) {
  set_path(settings);
  const PyRef arguments = PyRef::steal(PyList_New(0));
  for (const std::string& word : command_line(settings)) {
    const PyRef item = utf8(word);
    require(item && PyList_Append(arguments.get(), item.get()) == 0, "sys.argv");
  }
  require(PySys_SetObject("argv", arguments.get()) == 0, "sys.argv");
}

}  // namespace prefork::bridge
