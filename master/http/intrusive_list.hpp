// A doubly linked list through its members: O(1) removal from anywhere, no allocation. A member is in one list at a time.
#pragma once

#include <cstddef>

namespace prefork::http {

template <class T>
struct ListHook {
  T* previous = nullptr;
  T* next = nullptr;
  bool listed = false;
};

template <class T, ListHook<T> T::*Hook>
class IntrusiveList {
 public:
  bool empty() const { return first_ == nullptr; }
  std::size_t size() const { return size_; }
  T* front() const { return first_; }
  T* back() const { return last_; }
  static T* next(T& member) { return (member.*Hook).next; }
  static T* previous(T& member) { return (member.*Hook).previous; }

  void push_back(T& member) { insert(member, last_, nullptr); }
  void push_front(T& member) { insert(member, nullptr, first_); }

  void remove(T& member) {
    auto& hook = member.*Hook;
    if (!hook.listed) return;
    (hook.previous != nullptr ? (hook.previous->*Hook).next : first_) = hook.next;
    (hook.next != nullptr ? (hook.next->*Hook).previous : last_) = hook.previous;
    hook = {};
    --size_;
  }

 private:
  void insert(T& member, T* previous, T* next) {
    member.*Hook = {previous, next, true};
    (previous != nullptr ? (previous->*Hook).next : first_) = &member;
    (next != nullptr ? (next->*Hook).previous : last_) = &member;
    ++size_;
  }

  T* first_ = nullptr;
  T* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace prefork::http
