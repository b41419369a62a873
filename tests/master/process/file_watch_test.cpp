#include "master/process/file_watch.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace prefork::process {
namespace {

namespace fs = std::filesystem;

class FileTreeTest : public testing::Test {
 protected:
  FileTreeTest() {
    for (const char* name : {"a.html", "pages/b.html", "pages/deep/er/c.html", "pages/deep/er/d.txt", ".git/e.html",
                             "pages/.cache/f.html", "pages/.g.html"}) {
      fs::create_directories((root_ / name).parent_path());
      std::ofstream(root_ / name) << "text";
    }
  }
  ~FileTreeTest() override { fs::remove_all(root_); }

  std::set<std::string> seen(const std::string& pattern) {
    tree_ = file_tree({.folders = {}, .includes = {}, .excludes = {}, .extra = {(root_ / pattern).string()}});
    std::set<std::string> names;
    for (const auto& [path, when] : tree_.times) names.insert(fs::relative(path, root_).string());
    return names;
  }

  using Names = std::set<std::string>;
  fs::path root_ = fs::temp_directory_path() / ("prefork-file-tree-" + std::to_string(::getpid()));
  FileTree tree_;
};

TEST_F(FileTreeTest, OneStarStaysInItsFolder) { EXPECT_EQ(seen("pages/*.html"), (Names{"pages/b.html"})); }

TEST_F(FileTreeTest, TwoStarsAreAnyNumberOfFolders) {
  EXPECT_EQ(seen("**/*.html"), (Names{"a.html", "pages/b.html", "pages/deep/er/c.html"}));
  EXPECT_EQ(seen("pages/**/*.html"), (Names{"pages/b.html", "pages/deep/er/c.html"}));
  EXPECT_EQ(seen("pages/**/er/*"), (Names{"pages/deep/er/c.html", "pages/deep/er/d.txt"}));
  EXPECT_EQ(seen("p*/**/d.*"), (Names{"pages/deep/er/d.txt"}));
  EXPECT_EQ(seen("**/deep/**/c.html"), (Names{"pages/deep/er/c.html"}));
}

TEST_F(FileTreeTest, FoldersBelowTwoStarsAreWatchedForWhatComes) {
  seen("pages/**/*.css");
  for (const char* name : {"pages", "pages/deep", "pages/deep/er"})
    EXPECT_TRUE(tree_.folders.contains((root_ / name).string())) << name;
  EXPECT_FALSE(tree_.folders.contains((root_ / "pages/.cache").string()));
  seen("absent/**/*.css");
  EXPECT_TRUE(tree_.folders.contains(root_.string()));
}

}  // namespace
}  // namespace prefork::process
