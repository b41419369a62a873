#include "python/bridge/hooks.hpp"

#include "python/bridge/boot.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/signals.hpp"

namespace prefork::bridge {
namespace {

constexpr std::array<const char*, static_cast<std::size_t>(Hook::kCount)> kHookNames{
    "post_fork", "post_worker_init", "worker_int", "worker_abort", "worker_exit", "pre_request", "post_request"};

bool listed(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (list.substr(0, comma) == name) return true;
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
  return false;
}

}  // namespace

bool Hooks::load() {
  const auto set = settings_.get("hooks");
  bool any = false;
  for (const char* name : kHookNames) any |= listed(set, name);
  if (!any) return true;
  const PyRef settings = settings_dict(settings_);
  return settings && adopt(call_boot("load_hooks", "OI", settings.get(), worker_age_));
}

bool Hooks::adopt(const PyRef& loaded) {
  if (!loaded) return false;
  if (loaded.get() == Py_None) return true;
  worker_ = PyRef::borrow(PyTuple_GetItem(loaded.get(), 0));
  PyObject* functions = PyTuple_GetItem(loaded.get(), 1);
  by_name_ = PyRef::borrow(functions);
  if (!worker_ || functions == nullptr) return false;
  for (std::size_t i = 0; i < kHookNames.size(); ++i) {
    if (listed(settings_.get("hooks"), kHookNames[i]))
      functions_[i] = PyRef::borrow(PyDict_GetItemString(functions, kHookNames[i]));
  }
  return true;
}

bool Hooks::run(Hook hook) {
  const auto index = static_cast<std::size_t>(hook);
  if (!functions_[index]) return true;
  const PyRef result = PyRef::steal(PyObject_CallFunctionObjArgs(functions_[index].get(), worker_.get(), nullptr));
  if (result) return true;
  if (drop_exit(stopping())) return false;  // told to go while it ran
  log_error(std::string("Exception in the hook ") + kHookNames[index]);
  return false;
}

PyRef Hooks::initialised(PyRef application) {
  if (!worker_) return application;
  if (PyObject_SetAttrString(worker_.get(), "wsgi", application.get()) != 0) return {};
  run(Hook::PostWorkerInit);
  return PyRef::steal(PyObject_GetAttrString(worker_.get(), "wsgi"));
}

PyRef Hooks::wrap(PyRef application, const char* interface) {
  if (!wants(Hook::PreRequest) && !wants(Hook::PostRequest)) return application;
  return call_boot("wrap_application", "OsOO", application.get(), interface, worker_.get(), by_name_.get());
}

}  // namespace prefork::bridge
